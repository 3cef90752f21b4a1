import { allCommands, type CommandModel, type OptionModel, type Candidates } from './model.ts'

/** A script for fish 3.1 and newer. */
export function fishScript(root: CommandModel): string[] {
  const commands = allCommands(root)
  return [
    '# Completes colab-escape in fish. Made by: colab-escape completion fish',
    'function __colab_escape_names',
    '  set -l words (commandline -opc)',
    '  set -l store',
    '  for at in (seq 2 (count $words))',
    '    if contains -- $words[$at] --store -s; and set -q words[(math $at + 1)]',
    '      set store --store $words[(math $at + 1)]',
    '    end',
    '  end',
    '  colab-escape completion $store --names=(commandline -ct) 2>/dev/null',
    'end',
    '',
    '# Whether the words before the cursor name this command and, if a place is given, the cursor is in it.',
    'function __colab_escape_at',
    '  set -l words (commandline -opc)',
    '  set -e words[1]',
    `  set -l command ''`,
    '  set -l place 0',
    '  set -l skip 0',
    '  for word in $words',
    '    if test $skip = 1',
    '      set skip 0',
    '      continue',
    '    end',
    '    switch "$command $word"',
    ...commands.flatMap(({ path, name }) => [
      `      case '${path.slice(0, -name.length).trimEnd()} ${name}'`,
      `        set command '${path}'`,
    ]),
    `      case ${[root, ...commands].flatMap(swallowing).join(' ')}`,
    '        set skip 1',
    `      case '* -*'`,
    `      case '*'`,
    '        set place (math $place + 1)',
    '    end',
    '  end',
    '  test "$command" = "$argv[1]"; or return 1',
    '  test (count $argv) = 1; or test $place $argv[2] $argv[3]',
    'end',
    '',
    'complete -c colab-escape -f',
    '',
    '# Called through npx, with or without -y',
    'function __colab_escape_npx',
    `  string match -rq -- '^npx( +-\\S+)* +colab-escape ' (commandline -cp)`,
    'end',
    `complete -c npx -n __colab_escape_npx -xa '(complete -C (string replace -r -- "^npx( +-\\S+)* +" "" (commandline -cp)))'`,
    '',
    ...[root, ...commands].flatMap(command => [
      ...command.commands.map(below => line(command.path, '-eq 0', `-a ${below.name} -d ${quoted(below.description)}`)),
      ...command.options.map(option => optionLine(command, option)),
      ...(command.commands.length > 0 ? [] : command.places.flatMap((place, at) => placeLine(command, place, at))),
    ]),
  ]
}

const quoted = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`

function line(path: string, place: string, completes: string): string {
  return `complete -c colab-escape -n "__colab_escape_at '${path}'${place === '' ? '' : ` ${place}`}" ${completes}`
}

function swallowing({ path, options }: CommandModel): string[] {
  const flags = options.filter(({ value, optionalValue }) => value && !optionalValue).flatMap(each => each.flags)
  return flags.map(flag => `'${path === '' ? '*' : path} ${flag}'`)
}

function optionLine(command: CommandModel, { flags, description, value, optionalValue }: OptionModel): string {
  const names = flags.map(flag => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  const takes = value && !optionalValue ? ` ${value.from === 'files' ? '-r -F' : `-x${offered(value)}`}` : ''
  const completes = `${names.join(' ')}${takes} -d ${quoted(description)}`
  return command.path === '' ? `complete -c colab-escape ${completes}` : line(command.path, '', completes)
}

function placeLine({ path, places, variadic }: CommandModel, place: Candidates, at: number): string[] {
  const where = variadic && at === places.length - 1 ? `-ge ${at}` : `-eq ${at}`
  const names = offered(place)
  return [
    ...(names === '' ? [] : [line(path, where, names.trimStart())]),
    ...(place.from?.endsWith('files') ? [line(path, where, '-F')] : []),
  ]
}

function offered({ words, from }: Candidates): string {
  if (words.length > 0 && from === 'folders') return ` -a '${words.join(' ')} (__fish_complete_directories)'`
  if (words.length > 0) return ` -a ${quoted(words.join(' '))}`
  if (from === 'folders') return ` -a '(__fish_complete_directories)'`
  if (from === 'stores') return ` -a '(colab-escape completion --stores 2>/dev/null) (__fish_complete_directories)'`
  return from?.startsWith('names') ? ` -a '(__colab_escape_names)'` : ''
}
