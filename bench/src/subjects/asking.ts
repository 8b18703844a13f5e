/** Asks many times and measures each. */

/** Calls `ask` `count` times, `inFlight` at a time; how long each took, in milliseconds. */
export async function askMany(
  count: number,
  inFlight: number,
  ask: (index: number) => Promise<unknown>,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const asker = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const began = performance.now();
      const answer = await ask(index);
      if (answer !== index * 2) throw new Error(`asked for the double of ${index}, got ${String(answer)}`);
      times.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, asker));
  return times;
}
