/** The Redis transport: to come. */
export {};
