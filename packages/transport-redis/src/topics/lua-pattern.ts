/** A pattern of topics as scripts can sift by: it lets through all that match, and they are matched again here. */

/** The Lua pattern. */
export function toLuaPattern(pattern: string): string {
  const isSystem = pattern.startsWith('$');
  const tokens = pattern.split('.').map((token, index) => {
    // Without a $ in front, none matches.
    const first = index === 0 && !isSystem ? '[^.$]' : '[^.]';
    if (token === '*') return `${first}[^.]*`;
    if (token === '>') return `${first}.*`;
    return token.replaceAll(/[^A-Za-z0-9_]/g, '%$&');
  });
  return `^${tokens.join('%.')}$`;
}
