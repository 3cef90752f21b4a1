import type { Help, Option } from 'commander'
import { textWidth } from '../../ui/width.ts'
import { wrapLine, wrapWords } from '../../ui/wrap.ts'

/** The widest column of terms: longer ones get a line of their own. */
const WIDEST_TERM = 26
const GAP = '  '

/** `Store each folder.` of `store each folder`. */
export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!]\)?$/.test(text) ? '' : '.'}`

/** Terms and what they mean, side by side. */
export function columns(rows: readonly (readonly [term: string, meaning: string])[], width: number): string[] {
  const widest = Math.max(0, ...rows.map(([term]) => textWidth(term)).filter(each => each <= WIDEST_TERM))
  const indent = ' '.repeat(GAP.length + widest + GAP.length)
  return rows.flatMap(([term, meaning]) => {
    const lines = wrapWords(meaning, Math.max(20, width - indent.length))
    const head = `${GAP}${term}`
    const fits = textWidth(term) <= widest
    const [first, ...rest] = lines.map(line => `${indent}${line}`)
    return fits ? [`${head}${first!.slice(head.length)}`.trimEnd(), ...rest] : [head, first!, ...rest]
  })
}

/** One option with its choices and its default, as a row. */
export function optionRow(option: Option): [string, string] {
  const { flags, short, long, description, argChoices, negate } = option
  const defaultValue = option.defaultValue as string | undefined
  const more = [
    ...(argChoices ? [`one of: ${argChoices.join(', ')}`] : []),
    ...(defaultValue !== undefined && !negate ? [`default: ${defaultValue}`] : []),
  ]
  const term = short === undefined && long !== undefined ? `    ${flags}` : flags
  return [term, more.length > 0 ? `${description} (${more.join('; ')})` : description]
}

/**
 * Fills paragraphs anew for a width below that for which they were written. Indented lines, such as examples, stay as
 * they are.
 */
export function refill(text: string, width: number): string[] {
  if (text.split('\n').every(line => textWidth(line) <= width)) return text.split('\n')
  return text
    .split('\n\n')
    .map(paragraph =>
      /^ /m.test(paragraph)
        ? paragraph.split('\n').flatMap(line => wrapLine(line, width))
        : wrapWords(paragraph.replaceAll('\n', ' '), width),
    )
    .flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]))
}

interface HelpParts {
  description: string
  usage: string
  commands: readonly (readonly [string, string])[]
  options: readonly Option[]
  examples: string
  remarks: string
  pointers: readonly string[]
}

/** The help of one command: what it does, examples, its own options, remarks, and where to read on. */
export function helpText({ description, usage, commands, options, examples, remarks, pointers }: HelpParts, width: number): string {
  const sections = [
    wrapWords(sentence(description), width),
    [`Usage: ${usage}`],
    ...(examples === '' ? [] : [[examples.includes('\n') ? 'Examples:' : 'Example:', ...examples.split('\n')]]),
    ...(commands.length === 0 ? [] : [['Commands:', ...columns(commands, width)]]),
    ...(options.length === 0 ? [] : [['Options:', ...columns(options.map(optionRow), width)]]),
    ...(remarks === '' ? [] : [refill(remarks, width)]),
    pointers.flatMap(pointer => wrapLine(pointer, width)),
  ]
  return `${sections.map(lines => lines.join('\n')).join('\n\n')}\n`
}

/** The options of a command that are no switches for help. */
export const ownOptions = (help: Help, command: Parameters<Help['visibleOptions']>[0]): Option[] =>
  help.visibleOptions(command).filter(({ long }) => long !== '--help')
