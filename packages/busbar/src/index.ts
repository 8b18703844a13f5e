// The front door: connect and the public names of the api.
export {};
