import { describe, expect, it } from 'vitest';
import { descriptorBounds } from '../../../src/base/descriptors.ts';

describe('the descriptors of a process', () => {
  it('are left in eighths where there are few', () => {
    expect(descriptorBounds(256)).toEqual({ connections: 224, logs: 192, idle: 16 });
    expect(descriptorBounds(1024)).toEqual({ connections: 896, logs: 768, idle: 64 });
  });

  it('are not kept by the thousand where there are many', () => {
    expect(descriptorBounds(100_000)).toEqual({ connections: 99_744, logs: 99_488, idle: 128 });
  });

  it('are not bounded where the system does not bound them', () => {
    const { connections, logs, idle } = descriptorBounds(Number.POSITIVE_INFINITY);
    expect([connections, logs]).toEqual([Infinity, Infinity]);
    expect(idle).toBe(128);
  });
});
