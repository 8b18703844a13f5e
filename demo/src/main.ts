// Entry of the demonstration.
export {};
