/** The channels of calls. */

/** Everyone that serves an address hears here who asks for it. */
export function addressChannel(address: string): string {
  return `calls:${address}`;
}

/** The calls of an address for one of the processes that serve it. It has a subscriber while the process serves the address. */
export function callChannel(process: string, address: string): string {
  return `call:${process}:${address}`;
}

/** Answers and control messages for a process. */
export function processChannel(process: string): string {
  return `answers:${process}`;
}
