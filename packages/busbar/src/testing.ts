/** Entry `busbar/testing`: a bus in memory for tests, with a clock that a test moves. */

export * from '@busbar/transport-memory/testing';
