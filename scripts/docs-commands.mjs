const INTRO = `# Commands

Made by \`npm run docs\` from the program's own help, which \`colab-escape <command> --help\` shows too.

A **version** is a name (\`data\`: its newest), \`data~1\` (the one before), \`data@best\` (a tag), \`data@8636\` (the beginning of an id), \`data@2026-11-20\` (the
newest at the end of that day), \`data@yesterday\`, \`data@2h\` (the newest that is at least so old; also \`30min\`, \`3d\`, \`1w\`, \`1d12h\`), \`data@best:val_loss\` (the lowest) or
\`data@best:max:acc\` (the highest). Results go to stdout; progress, notes, warnings and errors to stderr. With \`--json\` all of it is JSON lines on stdout: events,
then one \`result\` or \`error\` ([json-output.md](json-output.md)). Every error with its cure is in [errors.md](errors.md).`

/** docs/commands.md, from the program and its exit codes. */
export function commandsPage(root, exitCodes) {
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

function commandSections(command, level) {
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

function argumentLines(command) {
  const chosen = command.registeredArguments.filter(({ argChoices }) => argChoices)
  return chosen.map(argument => `\`${argument.name()}\`: ${argument.argChoices.map(choice => `\`${choice}\``).join(', ')}.`)
}

/** What a command's help says after its options: remarks, and the examples under their heading. */
function remarksOf(command) {
  const written = []
  command.configureOutput({ ...command.configureOutput(), writeOut: text => written.push(text) })
  command.outputHelp()
  const [remarks, examples = ''] = written
    .slice(1)
    .join('')
    .split(/\nExamples?:\n/)
  return { remarks: remarks.trim(), examples: examples.trimEnd().replace(/^ {2}/gm, '    ') }
}

function optionTable(options) {
  return table(
    ['option', 'meaning'],
    options.map(option => [code(option.flags), details(option)]),
  )
}

function details({ description, argChoices, defaultValue, negate }) {
  const more = [
    ...(argChoices ? [`one of ${argChoices.map(code).join(', ')}`] : []),
    ...(defaultValue !== undefined && !negate ? [`default: ${code(String(defaultValue))}`] : []),
  ]
  return escaped(description) + (more.length > 0 ? ` (${more.join('; ')})` : '')
}

const sentence = text => `${text[0].toUpperCase()}${text.slice(1)}.`
const code = text => `\`${text}\``
/** Pieces in backticks stay as they are. */
export const escaped = text =>
  text
    .split(/(`[^`]*`)/)
    .map((piece, at) => (at % 2 === 1 ? piece : piece.replaceAll('<', '&lt;').replaceAll('*', '\\*')))
    .join('')

export function table(titles, rows) {
  const line = cells => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(titles), `|${titles.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}
