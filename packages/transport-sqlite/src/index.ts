// The SQLite backend: openSqlite and its options.
export {};
