/** Batches that are too large for one record. */

/** `all` in pieces of at most `bytes`, in order; a single one may be larger. None makes one empty piece. */
export function inPieces<T>(all: readonly T[], sizeOf: (one: T) => number, bytes = 200_000): readonly (readonly T[])[] {
  let size = 0;
  let from = 0;
  const pieces: (readonly T[])[] = [];
  all.forEach((one, index) => {
    const more = sizeOf(one);
    if (index > from && size + more > bytes) {
      pieces.push(all.slice(from, index));
      from = index;
      size = 0;
    }
    size += more;
  });
  if (pieces.length === 0) return [all];
  pieces.push(all.slice(from));
  return pieces;
}

/** What `ask` brings for each piece, one after the other. Pieces are asked for at once and so go together. */
export async function askInPieces<T, R>(
  pieces: readonly (readonly T[])[],
  ask: (piece: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  return (await Promise.all(pieces.map(ask))).flat();
}
