// testTransport(harness): the suite as vitest tests.
export {};
