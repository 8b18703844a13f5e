/** The socket transport: to come. */
export {};
