import { allCommands, type CommandModel, type OptionModel, type Candidates } from './model.ts'

/** A script for bash 3.2 and newer. It finds the command and the argument position, then offers matching words. */
export function bashScript(root: CommandModel): string[] {
  const commands = allCommands(root)
  const all = [root, ...commands]
  return [
    '# Completes colab-escape in bash. Made by: colab-escape completion bash',
    '_colab_escape() {',
    '  local COMP_WORDS=("${COMP_WORDS[@]}") COMP_CWORD=$COMP_CWORD',
    '  _colab_escape_join',
    `  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"`,
    `  local command='' place=0 index word words='' from='' breaks='' typed='' store=()`,
    '  COMPREPLY=()',
    '  # --option=value comes as three words',
    `  if [[ $current == '=' ]]; then`,
    `    current=''`,
    `  elif [[ $previous == '=' ]]; then`,
    `    previous="\${COMP_WORDS[COMP_CWORD-2]}"`,
    '  fi',
    '  for ((index = 1; index < COMP_CWORD; index++)); do',
    `    word="\${COMP_WORDS[index]}"`,
    `    [[ $word == --store || $word == -s ]] && store=(--store "\${COMP_WORDS[index+1]}")`,
    '    case "$command $word" in',
    ...commands.map(({ path, name }) => `      '${path.slice(0, -name.length).trimEnd()} ${name}') command='${path}' ;;`),
    `      ${all.flatMap(command => command.options.filter(swallows).flatMap(option => patternsOf(command, option))).join(' | ')})`,
    `        [[ \${COMP_WORDS[index+1]} == '=' ]] && ((index++))`,
    '        ((index++))',
    '        ;;',
    `      *' -'*) ;;`,
    '      *) ((place++)) ;;',
    '    esac',
    '  done',
    '  case "$command $previous" in',
    ...all.flatMap(command =>
      command.options.filter(swallows).map(option => `    ${patternsOf(command, option).join(' | ')}) ${offer(option.value!)}`),
    ),
    '    *)',
    '      if [[ $current == -* ]]; then',
    '        case "$command" in',
    ...commands.flatMap(command => flagsCase(command, root)).map(line => `          ${line}`),
    '        esac',
    `        words+=' ${longFlags(root).join(' ')}'`,
    '      else',
    '        case "$command $place" in',
    ...all.flatMap(placeCases).map(line => `          ${line}`),
    '        esac',
    '      fi',
    '      ;;',
    '  esac',
    '  # bash replaces only what follows the last character at which it breaks words',
    `  [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'`,
    `  [[ $COMP_WORDBREAKS == *@* ]] && breaks+='@'`,
    `  [[ -n $breaks && $current == *[$breaks]* ]] && typed="\${current%"\${current##*[$breaks]}"}"`,
    '  while IFS= read -r word; do',
    '    COMPREPLY+=("$word")',
    '  done < <(',
    `    [[ -n $words ]] && compgen -W "$words" -- "$current"`,
    '    [[ $from == *files ]] && compgen -f -- "$current"',
    '    [[ $from == folders || $from == stores ]] && compgen -d -- "$current"',
    '    [[ $from == names* ]] && colab-escape completion "${store[@]}" --names="$current" 2>/dev/null |',
    `      while IFS= read -r word; do [[ $word == "$current"* ]] && printf '%q\\n' "\${word#"$typed"}"; done`,
    '    [[ $from == stores ]] && compgen -W "$(colab-escape completion --stores 2>/dev/null)" -- "$current"',
    '  )',
    '  # lets bash quote the names of files and put a slash after folders; outside a completion it fails',
    '  [[ $from == *files || $from == folders || $from == stores ]] && compopt -o filenames 2>/dev/null',
    '  return 0',
    '}',
    '',
    '# Puts together what bash breaks at @ and :, such as data@best:a.pt',
    '_colab_escape_join() {',
    `  local words=() word joins=''`,
    '  for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do',
    `    if [[ \${#words[@]} -gt 1 && ( -n $joins || $word == [@:]* ) ]]; then`,
    `      words[\${#words[@]}-1]+="$word"`,
    '    else',
    '      words+=("$word")',
    '    fi',
    `    joins=''`,
    `    [[ $word == *[@:] && $word == [@:]* ]] && joins=1`,
    '  done',
    '  COMP_WORDS=("${words[@]}")',
    '  COMP_CWORD=$((${#words[@]} - 1))',
    '}',
    '',
    '# Called through npx, with or without -y',
    '_colab_escape_npx() {',
    '  local at=1',
    `  while [[ \${COMP_WORDS[at]} == -* ]]; do ((at++)); done`,
    `  [[ \${COMP_WORDS[at]} == colab-escape && $COMP_CWORD -gt $at ]] || return 0`,
    '  local COMP_WORDS=("${COMP_WORDS[@]:at}") COMP_CWORD=$((COMP_CWORD - at))',
    '  _colab_escape',
    '}',
    'complete -F _colab_escape colab-escape',
    'complete -o default -F _colab_escape_npx npx',
  ]
}

/** The next word is the option's value. */
const swallows = ({ value, optionalValue }: OptionModel): boolean => value !== undefined && !optionalValue

/** `"$command $word"`; options of the program may stand in any command. */
function patternsOf({ path }: CommandModel, { flags }: OptionModel): string[] {
  return flags.map(flag => (path === '' ? `*' ${flag}'` : `'${path} ${flag}'`))
}

const longFlags = ({ options }: CommandModel): string[] => options.flatMap(({ flags }) => flags.filter(flag => flag.startsWith('--')))

function flagsCase(command: CommandModel, root: CommandModel): string[] {
  const common = longFlags(root)
  const own = longFlags(command).filter(flag => !common.includes(flag))
  return own.length === 0 ? [] : [`'${command.path}') words='${own.join(' ')}' ;;`]
}

function placeCases({ path, places, variadic, commands }: CommandModel): string[] {
  if (commands.length > 0) return [`'${path} 0') words='${commands.map(({ name }) => name).join(' ')}' ;;`]
  return places.map((place, at) => `'${path} '${variadic && at === places.length - 1 ? '*' : at}) ${offer(place)}`)
}

function offer({ words, from }: Candidates): string {
  return `${words.length > 0 ? `words='${words.join(' ')}' ` : ''}${from === undefined ? '' : `from=${from} `};;`
}
