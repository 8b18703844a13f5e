// The child's end of the channel to its parent test.

/** Sends to the parent. Resolves when the message is written, so it survives an exit or a kill right after. */
export async function sendToParent(message: unknown): Promise<void> {
  const send = process.send?.bind(process);
  if (!send) throw new Error('this program was not started by spawnChild()');
  await new Promise<void>((resolve, reject) => {
    send(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/** Calls the listener with each message of the parent, including early ones. Keeps the child alive. */
export function onParentMessage<T>(listener: (message: T) => void): void {
  process.on('message', (message) => listener(message as T));
}
