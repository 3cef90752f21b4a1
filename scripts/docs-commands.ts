import type { Option } from 'commander'
import { sentence } from '../src/commands/shared/help-text.ts'
import type { LazyCommand } from '../src/commands/shared/lazy-command.ts'
import type { ExitCode } from '../src/exit-codes.ts'

const INTRO = `# Commands

Made by \`npm run docs\` from the program's help. \`colab-escape <command> --help\` shows the same text.

A **version** is a name (\`data\`: its newest), \`data~1\` (the one before), \`data@best\` (a tag), \`data@8636\` (the beginning of an id), \`data@2026-11-20\` (the
newest at the end of that day), \`data@yesterday\`, \`data@2h\` (the newest that is at least that old; also \`30min\`, \`3d\`, \`1d12h\`), \`data@best:val_loss\` (the lowest) or
\`data@best:max:acc\` (the highest). Results go to stdout; progress, notes, warnings and errors to stderr. With \`--json\` all of it is JSON lines on stdout: events,
then one \`result\` or \`error\` ([json-output.md](json-output.md)). [errors.md](errors.md) lists every error and how to fix it.`

/** The text of docs/commands.md, from the program and its exit codes. */
export function commandsPage(root: LazyCommand, exitCodes: readonly ExitCode[]): string {
  const sections = [
    INTRO,
    '## Options of every command',
    optionTable(root.createHelp().visibleOptions(root)),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      exitCodes.map(({ code, meaning }) => [String(code), meaning]),
    ),
    ...root.commands.flatMap(command => commandSections(command as LazyCommand, '##')),
  ]
  return `${sections.join('\n\n')}\n`
}

function commandSections(command: LazyCommand, level: string): string[] {
  const help = command.createHelp()
  const path = help.commandUsage(command).replace(/ [[<].*$/, '')
  const own = help.visibleOptions(command).filter(({ long }) => long !== '--help')
  return [
    `${level} ${path.replace(/^colab-escape /, '')}`,
    `    ${help.commandUsage(command)}`,
    `${sentence(command.description())}`,
    ...argumentLines(command),
    ...(own.length > 0 ? [optionTable(own)] : []),
    ...[command.remarks, command.examples.replace(/^ {2}/gm, '    ')].filter(text => text !== ''),
    ...command.commands.flatMap(each => commandSections(each as LazyCommand, `${level}#`)),
  ]
}

function argumentLines(command: LazyCommand): string[] {
  return command.registeredArguments.flatMap(argument => {
    const { argChoices } = argument
    return argChoices === undefined ? [] : [`\`${argument.name()}\`: ${argChoices.map(code).join(', ')}.`]
  })
}

function optionTable(options: readonly Option[]): string {
  return table(
    ['option', 'meaning'],
    options.map(option => [code(option.flags), details(option)]),
  )
}

function details({ description, argChoices, defaultValue, negate }: Option): string {
  const more = [
    ...(argChoices ? [`one of ${argChoices.map(code).join(', ')}`] : []),
    ...(defaultValue !== undefined && !negate ? [`default: ${code(String(defaultValue))}`] : []),
  ]
  return escaped(description) + (more.length > 0 ? ` (${more.join('; ')})` : '')
}

const code = (text: string): string => `\`${text}\``
/** Pieces in backticks stay as they are. */
export const escaped = (text: string): string =>
  text
    .split(/(`[^`]*`)/)
    .map((piece, at) => (at % 2 === 1 ? piece : piece.replaceAll('<', '&lt;').replaceAll('*', '\\*')))
    .join('')

export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(titles), `|${titles.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}
