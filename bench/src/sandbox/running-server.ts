/** A server that was started for one measurement. Disposing of it ends the process. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}
