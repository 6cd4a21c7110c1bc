import { vi } from "vitest";

/** Moves the clock of the registry and of the test; vi.useRealTimers() puts it right again. */
export function advance(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

export const secondMs = 1000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;
