/** Cases for a cluster of servers: behaviour that spans servers, and the loss of one server. */

/** Ids of the profile `cluster`. */
export const CLUSTER: ReadonlySet<string> = new Set([
  // Data that is spread over servers or located by name.
  ...['P1', 'P3', 'P10', 'O1', 'O4', 'Q1', 'R1', 'R4', 'S1', 'S5', 'S14', 'G1', 'G2', 'A1', 'A6', 'A7', 'A9'],
  ...['D1', 'D4', 'L1', 'T1', 'U1', 'U3', 'Y1', 'Y2', 'X1', 'K1', 'K2', 'V2', 'Z1', 'Z6', 'W1', 'W6', 'J1'],
  // The loss of one server.
  ...['X2', 'X3', 'C1', 'C2', 'C7', 'C8', 'C11', 'I1', 'F12'],
]);
