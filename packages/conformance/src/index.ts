// The conformance suite as data, and a runner without a framework.
export {};
