/** Entry `@busbar/conformance`: the suite as data, and a runner without a framework. */

export type {
  CaseResult,
  ConformanceCase,
  Level,
  Status,
} from './case.ts';
export { CATALOGUE, type CatalogueId, CLUSTER, GROUPS, type Group, groupOf } from './catalogue.ts';
export { Check, CheckFailed } from './context/check.ts';
export { type RecordedDelivery, Recorder } from './context/recorder.ts';
export type { TestContext } from './context/test-context.ts';
export {
  type Harness,
  type HarnessFeature,
  type HarnessNetwork,
  type HarnessServer,
  type HarnessStore,
  type Opener,
  PROFILES,
  type Profile,
  type StoreNeeds,
  type StoreOptions,
  type UntrustedClient,
  type UntrustedClientKind,
} from './harness.ts';
export type { Confinement } from './processes/confinement.ts';
export type { RemoteClient } from './processes/remote-client.ts';
export type { RemoteLoad } from './processes/remote-load.ts';
export { toMarkdown, withMatrix } from './report/matrix.ts';
export { type Report, summarize, toReport } from './report/report.ts';
export { type RunOptions, runSuite, type SuiteRun, selectCases } from './run.ts';
export { type RunCaseOptions, runCase } from './run-case.ts';
export { checkCases, SUITE } from './suite.ts';
export { type UrlHarnessOptions, urlHarness } from './url-harness.ts';
