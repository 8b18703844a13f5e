// Loaded into every child before its program. Ends the child when its parent ends or is killed.

/** Counts the references of the channel. In Node since 12, undocumented. */
interface CountedChannel {
  unrefCounted?(): void;
}

process.on('disconnect', () => process.exit(1));
// The listener must not keep a finished program alive.
(process.channel as CountedChannel | undefined)?.unrefCounted?.();
