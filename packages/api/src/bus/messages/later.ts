/** Values that an asynchronous codec has later. */

/** A value, or a promise of it. */
export type Later<T> = T | Promise<T>;

/** Passes `value` to `next`, at once unless it is a promise. */
export function later<T, R>(value: Later<T>, next: (value: T) => Later<R>): Later<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
