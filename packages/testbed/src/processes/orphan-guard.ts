// Loaded into every child before its program: a child ends when its parent does, also when that was killed.

/** Counts what keeps the channel open; has been there since Node 12, without a page of its own. */
interface CountedChannel {
  unrefCounted?(): void;
}

process.on('disconnect', () => process.exit(1));
// Listening must not keep a program alive that has come to its end.
(process.channel as CountedChannel | undefined)?.unrefCounted?.();
