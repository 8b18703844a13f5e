// Describes the machine of a measurement.
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** The machine in a benchmark report. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly arch: string;
}

/** Reads the description of this machine. */
export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release()}`,
    node: process.versions.node,
    arch: process.arch,
  };
}
