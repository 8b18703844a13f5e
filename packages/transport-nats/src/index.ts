/** The NATS transport: to come. */
export {};
