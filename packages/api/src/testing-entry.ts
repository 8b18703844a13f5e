/// <reference lib="esnext.disposable" preserve="true" />
/** Entry `@busbar/api/testing`: what tests of a program need, on every transport. `@busbar/transport-memory/testing` adds `testBus`. */

export { type FakeContext, type FakeContextOptions, fakeContext } from './testing/fake-context.ts';
export { fakeMessage } from './testing/fake-message.ts';
export { type IdleOptions, idle } from './testing/idle.ts';
export { type InjectedFailure, type InjectFailure, injectFailures } from './testing/injected-failures.ts';
export { type RecordedSend, recordSends } from './testing/recorded-sends.ts';
export { type OpenTestClock, openTestClock, type TestClock } from './testing/test-clock.ts';
