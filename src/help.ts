import { columns, optionRow, ownOptions, refill } from './commands/shared/help-text.ts'
import { TOPICS } from './commands/shared/help-topics.ts'
import type { LazyCommand } from './commands/shared/lazy-command.ts'
import { sentence } from './commands/shared/help-text.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { wrapLine } from './ui/wrap.ts'
import { PACKAGE } from './util/package-source.ts'

/** Commands under the purpose that they serve. */
export type Groups = Readonly<Record<string, readonly string[]>>

const EXAMPLES = [
  ['colab-escape push data', 'save the folder data as a new version'],
  ['colab-escape log', 'list what is saved'],
  ['colab-escape pull data', 'get the newest version of data back'],
  ['colab-escape watch runs', 'save checkpoints as they are written'],
] as const

const POINTERS = [
  ['colab-escape help push', 'examples and options of a command'],
  ['colab-escape help commands', 'what every command does'],
  ['colab-escape help options', 'options of every command, and exit codes'],
  ['colab-escape help versions', 'how to name a version'],
] as const

/** The help of the program. It fits a screen of 24 lines. */
export function overview(root: LazyCommand, groups: Groups): string {
  const width = root.helpColumns()
  const sections = [
    wrapLine(root.description(), width),
    ['Usage: colab-escape <command> [options]'],
    columns(EXAMPLES, width),
    columns(
      Object.entries(groups).map(([title, names]) => [title, names.join(', ')] as const),
      width,
    ),
    [...columns(POINTERS, width), ...wrapLine(`  Documentation: ${PACKAGE.documentation}`, width)],
  ]
  return `${sections.map(lines => lines.join('\n')).join('\n\n')}\n`
}

/** The pages of `colab-escape help` that belong to no command. */
export function topics(root: LazyCommand, groups: Groups): ReadonlyMap<string, () => string> {
  const width = root.helpColumns()
  const page = (title: string, lines: readonly string[]): string => `${title}\n\n${lines.join('\n')}\n`
  return new Map([
    ['commands', () => page('What the commands do', allCommands(root, groups, width))],
    [
      'options',
      () =>
        page('Options of every command', [
          ...columns(ownOptions(root.createHelp(), root).map(optionRow), width),
          '',
          'Exit codes:',
          ...columns(
            EXIT_CODES.map(({ code, meaning }) => [String(code), meaning] as const),
            width,
          ),
        ]),
    ],
    ...Object.entries(TOPICS).map(([name, { title, text }]) => [name, () => page(title, refill(text.trim(), width))] as const),
  ])
}

function allCommands(root: LazyCommand, groups: Groups, width: number): string[] {
  return Object.entries(groups).flatMap(([title, names], at) => [
    ...(at === 0 ? [] : ['']),
    `${title}:`,
    ...columns(
      names.map(name => [name, sentence(root.subcommand(name).description())] as const),
      width,
    ),
  ])
}
