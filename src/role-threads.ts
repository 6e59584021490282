/** Where the thread of each role begins, and the bounds of its heap. */

import type { HeapLimits } from './base/spare-thread.ts';
import type { RoleName } from './config/settings.ts';

export type ThreadRole = Exclude<RoleName, 'console'>;

export interface ThreadKind {
  /** Module that serves the role. */
  readonly entry: URL;
  readonly limits: HeapLimits;
}

/** TypeScript in a checkout, JavaScript in an installed package. */
const entryOf = (name: ThreadRole): URL =>
  new URL(`./${name}/worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** In MiB. The young generation's bound is what an idle thread costs. */
const limits = (old: number): HeapLimits => ({
  maxYoungGenerationSizeMb: 16,
  maxOldGenerationSizeMb: old,
});

export const roleThreads: Readonly<Record<ThreadRole, ThreadKind>> = {
  broker: { entry: entryOf('broker'), limits: limits(1_024) },
  collectors: { entry: entryOf('collectors'), limits: limits(512) },
  connectors: { entry: entryOf('connectors'), limits: limits(512) },
};
