import type { World } from './world.ts';

/** Prepares the disks of a new cluster. */
export function formatDisks(_world: World): void {}
