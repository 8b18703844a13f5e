// The reference backend: openMemory and its options.
export {};
