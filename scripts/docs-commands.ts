import type { Command, Option } from 'commander'
import type { ExitCode } from '../src/exit-codes.ts'

const INTRO = `# Commands

Made by \`npm run docs\` from the program's help. \`colab-escape <command> --help\` shows the same text.

A **version** is a name (\`data\`: its newest), \`data~1\` (the one before), \`data@best\` (a tag), \`data@8636\` (the beginning of an id), \`data@2026-11-20\` (the
newest at the end of that day), \`data@yesterday\`, \`data@2h\` (the newest that is at least that old; also \`30min\`, \`3d\`, \`1d12h\`), \`data@best:val_loss\` (the lowest) or
\`data@best:max:acc\` (the highest). Results go to stdout; progress, notes, warnings and errors to stderr. With \`--json\` all of it is JSON lines on stdout: events,
then one \`result\` or \`error\` ([json-output.md](json-output.md)). [errors.md](errors.md) lists every error and how to fix it.`

/** The text of docs/commands.md, from the program and its exit codes. */
export function commandsPage(root: Command, exitCodes: readonly ExitCode[]): string {
  const sections = [
    INTRO,
    '## Options of every command',
    optionTable(root.createHelp().visibleOptions(root)),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      exitCodes.map(({ code, meaning }) => [String(code), meaning]),
    ),
    ...root.commands.flatMap(command => commandSections(command, '##')),
  ]
  return `${sections.join('\n\n')}\n`
}

function commandSections(command: Command, level: string): string[] {
  const help = command.createHelp()
  const path = help.commandUsage(command).replace(/ [[<].*$/, '')
  const own = help.visibleOptions(command).filter(({ long }) => long !== '--help')
  return [
    `${level} ${path.replace(/^colab-escape /, '')}`,
    `    ${help.commandUsage(command)}`,
    `${sentence(command.description())}`,
    ...argumentLines(command),
    ...(own.length > 0 ? [optionTable(own)] : []),
    ...Object.values(remarksOf(command)).filter(text => text !== ''),
    ...command.commands.flatMap(each => commandSections(each, `${level}#`)),
  ]
}

function argumentLines(command: Command): string[] {
  return command.registeredArguments.flatMap(argument => {
    const { argChoices } = argument
    return argChoices === undefined ? [] : [`\`${argument.name()}\`: ${argChoices.map(code).join(', ')}.`]
  })
}

/** The end of a command's help, after its options: remarks, and the examples under their heading. */
function remarksOf(command: Command): { remarks: string; examples: string } {
  const written: string[] = []
  command.configureOutput({ ...command.configureOutput(), writeOut: text => written.push(text) })
  command.outputHelp()
  const [remarks = '', examples = ''] = written
    .slice(1)
    .join('')
    .split(/\nExamples?:\n/)
  return { remarks: remarks.trim(), examples: examples.trimEnd().replace(/^ {2}/gm, '    ') }
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

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
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
