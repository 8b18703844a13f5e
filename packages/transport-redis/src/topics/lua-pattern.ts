/** Topic patterns as Lua patterns, with which scripts preselect events. The client matches the selected events again. */

export function toLuaPattern(pattern: string): string {
  const isSystem = pattern.startsWith('$');
  const tokens = pattern.split('.').map((token, index) => {
    // A wildcard in front does not match topics that start with $.
    const first = index === 0 && !isSystem ? '[^.$]' : '[^.]';
    if (token === '*') return `${first}[^.]*`;
    if (token === '>') return `${first}.*`;
    return token.replaceAll(/[^A-Za-z0-9_]/g, '%$&');
  });
  return `^${tokens.join('%.')}$`;
}

export function isWildcard(pattern: string): boolean {
  return /[*>]/.test(pattern);
}
