/** Numbers as Lua reads them. */

/** Lua reads no Infinity, so the largest safe integer stands for it. */
export function toLuaNumber(value: number): number {
  return value === Number.POSITIVE_INFINITY ? Number.MAX_SAFE_INTEGER : value;
}
