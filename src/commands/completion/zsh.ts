import type { CommandModel, OptionModel, Candidates } from './model.ts'

/** A script for zsh: either a file `_colab-escape` in `fpath`, or sourced after `compinit`. */
export function zshScript(root: CommandModel): string[] {
  return [
    '#compdef colab-escape npx',
    '# Completes colab-escape in zsh. Made by: colab-escape completion zsh',
    '_colab_escape_names() {',
    '  local -a names store',
    '  local at=${words[(I)(--store|-s)]}',
    '  ((at > 0)) && store=(--store "${words[at+1]}")',
    `  names=("\${(@f)$(colab-escape completion $store --names="$PREFIX" 2>/dev/null)}")`,
    '  # a folder goes on without a space',
    `  local -a folders=("\${(@M)names:#*/}") others=("\${(@)names:#*/}")`,
    `  compadd -S '' -a folders`,
    '  compadd -a others',
    '}',
    '',
    '_colab_escape_names_and_files() {',
    '  _colab_escape_names',
    '  _files',
    '}',
    '',
    '_colab_escape_stores() {',
    '  local -a stores',
    `  stores=("\${(@f)$(colab-escape completion --stores 2>/dev/null)}")`,
    '  compadd -a stores',
    '  _files -/',
    '}',
    '',
    ...functionsOf(root, root.options),
    '# Called through npx, with or without -y',
    '_colab_escape_npx() {',
    '  local at=2',
    '  while [[ ${words[at]} == -* ]]; do ((at++)); done',
    '  if [[ ${words[at]} != colab-escape ]] || ((CURRENT <= at)); then _default; return; fi',
    '  words=("${(@)words[at,-1]}")',
    '  ((CURRENT -= at - 1))',
    '  _colab_escape',
    '}',
    '',
    `if [ "$funcstack[1]" = _colab-escape ]; then`,
    '  if [[ $service == npx ]]; then _colab_escape_npx; else _colab_escape "$@"; fi',
    'else',
    '  compdef _colab_escape colab-escape',
    '  compdef _colab_escape_npx npx',
    'fi',
  ]
}

const functionName = (path: string): string => ['_colab_escape', ...path.split(' ').filter(part => part !== '')].join('_')
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** One function per command: its options and places, or its subcommands. */
function functionsOf(command: CommandModel, globals: readonly OptionModel[]): string[] {
  const { path, commands, places, variadic } = command
  const options = path === '' ? globals : [...command.options, ...globals.filter(option => !shadowed(option, command))]
  const specs = options.map(optionSpec)
  if (commands.length === 0) {
    const last = places.length - 1
    const ends = places.map((place, at) => quoted(`${variadic && at === last ? '*' : at + 1}: :${action(place)}`))
    return [`${functionName(path)}() {`, ...call('_arguments -s', [...specs, ...ends]), '}', '']
  }
  return [
    `${functionName(path)}() {`,
    '  local curcontext="$curcontext" state line',
    '  local -a commands',
    '  commands=(',
    ...commands.map(({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(':', '\\:')}`)}`),
    '  )',
    ...call('_arguments -C -s', [...specs, `'1: :->command'`, `'*:: :->rest'`]),
    '  case $state in',
    '    command) _describe command commands ;;',
    '    rest)',
    '      case $line[1] in',
    ...commands.map(each => `        ${each.name}) ${functionName(each.path)} ;;`),
    '      esac',
    '      ;;',
    '  esac',
    '}',
    '',
    ...commands.flatMap(each => functionsOf(each, globals)),
  ]
}

function call(command: string, specs: readonly string[]): string[] {
  return [`  ${command} \\`, ...specs.map((spec, at) => `    ${spec}${at === specs.length - 1 ? '' : ' \\'}`)]
}

const shadowed = ({ flags }: OptionModel, { options }: CommandModel): boolean =>
  options.some(own => own.flags.some(flag => flags.includes(flag)))

function optionSpec({ flags, description, value, optionalValue, repeatable }: OptionModel): string {
  const text = `[${description.replace(/[[\]:\\]/g, '\\$&')}]`
  const takes = value === undefined ? '' : optionalValue ? ':: :' : `: :${action(value)}`
  const names = flags.map(flag => (optionalValue ? `${flag}=-` : value && flag.startsWith('--') ? `${flag}=` : flag))
  if (repeatable) return names.map(name => quoted(`*${name}${text}${takes}`)).join(' ')
  if (names.length === 1) return quoted(`${names[0]!}${text}${takes}`)
  return names.map(name => quoted(`(${flags.join(' ')})${name}${text}${takes}`)).join(' ')
}

function action({ words, from }: Candidates): string {
  if (words.length > 0 && from === 'folders') return `_alternative "words: :compadd -S \\"\\" ${words.join(' ')}" "folders: :_files -/"`
  if (words.length > 0) return `(${words.join(' ')})`
  if (from === 'files') return '_files'
  if (from === 'folders') return '_files -/'
  if (from === 'stores') return '_colab_escape_stores'
  if (from === 'names') return '_colab_escape_names'
  return from === 'names-and-files' ? '_colab_escape_names_and_files' : ' '
}
