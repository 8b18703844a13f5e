/** Completion scripts: each shell asks `busbar completion words` for the words that may follow. */

/** The shells with a script. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** The script of each shell. Names reach the shell as data, never as a part of a command. */
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# bash completion for busbar. In ~/.bashrc: source <(busbar completion bash)
_busbar() {
  local line=\${COMP_LINE:0:COMP_POINT} cur head='' word breaks=\${COMP_WORDBREAKS//[^@:=]/}
  local -a words
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  cur=\${words[\${#words[@]}-1]}
  # Readline replaces only what follows the last of these characters.
  [[ -n $breaks ]] && head=\${cur%"\${cur##*[$breaks]}"}
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("\${word#"$head"}"); done \\
    < <("\${words[0]}" completion words -- "\${words[@]:1}" 2>/dev/null)
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
}
complete -o default -F _busbar busbar`,
  zsh: `#compdef busbar
# zsh completion for busbar. In ~/.zshrc, after compinit: source <(busbar completion zsh)
_busbar() {
  local -a found
  found=("\${(@f)$(\${words[1]} completion words -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found ]]; then compadd -- $found; else _files; fi
}
if [[ $funcstack[1] == _busbar ]]; then _busbar "$@"; else compdef _busbar busbar; fi`,
  fish: `# fish completion for busbar. Once: busbar completion fish > ~/.config/fish/completions/busbar.fish
function __busbar_words
  set -l words (commandline -opc) (commandline -ct)
  $words[1] completion words -- $words[2..-1] 2>/dev/null
end
complete -c busbar -f -a '(__busbar_words)'
complete -c busbar -n 'test -z (__busbar_words | string collect)' -F`,
};
