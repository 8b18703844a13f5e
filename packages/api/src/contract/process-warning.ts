/** Warnings of the process. */

/** A warning of the process, or of the console where there is no process. */
export function warnProcess(text: string): void {
  const { process } = globalThis;
  if (typeof process?.emitWarning === 'function') process.emitWarning(text, 'BusbarWarning');
  // biome-ignore lint/suspicious/noConsole: a browser has no other place for warnings.
  else console.warn(`BusbarWarning: ${text}`);
}
