// What tests and benchmarks share: children, proxies, throw-away folders.
export {};
