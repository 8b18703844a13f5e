/** Warnings of the process. */

/** A warning of the process, or of the console where there is no process. */
export function warnProcess(text: string): void {
  if (typeof globalThis.process?.emitWarning === 'function') globalThis.process.emitWarning(text, 'BusbarWarning');
  // biome-ignore lint/suspicious/noConsole: a browser has no other place for warnings.
  else console.warn(`BusbarWarning: ${text}`);
}
