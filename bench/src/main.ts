// Entry of the benchmarks.
export {};
