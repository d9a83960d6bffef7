# Completion of vmm's verbs and options in bash: `source examples/completion.bash`.
_vmm() {
  local word=${COMP_WORDS[COMP_CWORD]} suggestions
  # The program itself knows the answer; it wants the line and the position in it.
  suggestions=$("${COMP_WORDS[0]}" "[suggest:$((COMP_POINT - ${#COMP_WORDS[0]} - 1))]" "${COMP_LINE#* }" 2>/dev/null)
  mapfile -t COMPREPLY < <(compgen -W "$suggestions" -- "$word")
  # After an option that takes a file, and wherever nothing fits.
  [ ${#COMPREPLY[@]} -ne 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _vmm vmm
