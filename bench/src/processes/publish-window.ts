/** Bounds how many events are on their way: without an acknowledgement a publisher does not notice that subscribers are behind. */

/** The numbers of the events that may leave. It is open without an end until it gets one. */
export class PublishWindow {
  readonly #waiting: (() => void)[] = [];
  #end = Number.POSITIVE_INFINITY;

  /** Events before `end` may leave. */
  open(end: number): void {
    this.#end = end;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when the event with this number may leave. */
  async includes(index: number): Promise<void> {
    while (index >= this.#end) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
