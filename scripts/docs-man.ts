import type { Option } from 'commander'
import { optionRow, ownOptions, sentence } from '../src/commands/shared/help-text.ts'
import { TOPICS } from '../src/commands/shared/help-topics.ts'
import type { LazyCommand } from '../src/commands/shared/lazy-command.ts'
import type { ExitCode } from '../src/exit-codes.ts'
import { PACKAGE } from '../src/util/package-source.ts'

/** The man page, from the program and its exit codes. */
export function manPage(root: LazyCommand, exitCodes: readonly ExitCode[]): string {
  const SH = (title: string): string => `.SH ${title}`
  const lines = [
    '.TH COLAB\\-ESCAPE 1 "" "colab\\-escape" "User Commands"',
    SH('NAME'),
    `colab\\-escape \\- ${roff('save folders as small versions, and get any of them back')}`,
    SH('SYNOPSIS'),
    `.B colab\\-escape`,
    `.I command`,
    roff('[options]'),
    SH('DESCRIPTION'),
    roff(root.description()),
    SH('COMMANDS'),
    ...root.commands.flatMap(command => commandLines(command as LazyCommand)),
    SH('OPTIONS OF EVERY COMMAND'),
    ...optionLines(ownOptions(root.createHelp(), root)),
    ...Object.values(TOPICS).flatMap(({ title, text }) => [SH(roff(title.toUpperCase())), ...textLines(text.trim())]),
    SH('EXIT STATUS'),
    ...exitCodes.flatMap(({ code, meaning }) => ['.TP', `.B ${code}`, roff(sentence(meaning))]),
    SH('SEE ALSO'),
    roff(`${PACKAGE.documentation.replace(/^./, letter => letter.toUpperCase())}.`),
  ]
  return `${lines.join('\n')}\n`
}

function commandLines(command: LazyCommand): string[] {
  const help = command.createHelp()
  const usage = help.commandUsage(command)
  const examples =
    command.examples === '' ? [] : ['.PP', command.examples.includes('\n') ? 'Examples:' : 'Example:', ...verbatim(command.examples)]
  return [
    `.SS ${roff(usage)}`,
    roff(sentence(command.description())),
    ...examples,
    ...optionLines(ownOptions(help, command)),
    ...(command.remarks === '' ? [] : ['.PP', ...textLines(command.remarks)]),
    ...command.commands.flatMap(each => commandLines(each as LazyCommand)),
  ]
}

function optionLines(options: readonly Option[]): string[] {
  return options.map(optionRow).flatMap(([flags, meaning]) => ['.TP', `.B ${roff(flags.trim())}`, roff(sentence(meaning))])
}

/** Paragraphs are filled; indented lines stay as they are. */
function textLines(text: string): string[] {
  return text
    .split('\n\n')
    .flatMap((paragraph, at) => [
      ...(at === 0 ? [] : ['.PP']),
      ...(/^ /m.test(paragraph) ? verbatim(paragraph) : paragraph.split('\n').map(roff)),
    ])
}

const verbatim = (text: string): string[] => ['.nf', ...text.split('\n').map(roff), '.fi']

/** A text that troff shows as it is: a hyphen of an option can be copied, and no line is taken for a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga')
    .replace(/^([.])/, '\\&$1')
}
