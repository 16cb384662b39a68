import { UsageError } from '../core/errors.js'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/**
 * A cron expression of five fields as `OnCalendar=` of systemd: `*-*-* 02:00:00 Europe/Berlin`. Throws a
 * {@link UsageError} for what systemd cannot say: seconds, and a day of the month or else one of the week.
 */
export function calendarOf(pattern: string, timezone: string): string {
  const fields = pattern.trim().split(/\s+/)
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = fields
  const refuse = (why: string) =>
    new UsageError(`"${pattern}" cannot be a calendar of systemd: ${why}`, {
      hint: 'run "chroma-ops schedule run" as a service, or choose a simpler schedule',
    })
  if (fields.length !== 5) throw refuse('it does not have five fields')
  if (day !== '*' && weekday !== '*') throw refuse('cron takes either day, systemd both')
  const part = (text: string, start: number) =>
    text
      .split(',')
      .map((item) => {
        const [, from = '', to, step] = /^(\*|\d+)(?:-(\d+))?(?:\/(\d+))?$/.exec(item) ?? []
        if (from === '') throw refuse(`"${item}" is not understood`)
        const first = from === '*' ? (step === undefined ? '*' : String(start)) : from.padStart(2, '0')
        const range = to === undefined ? first : `${first}..${to.padStart(2, '0')}`
        return step === undefined ? range : `${range}/${step}`
      })
      .join(',')
  const months = part(
    month.replaceAll(/[a-z]{3}/gi, (name) => String(MONTHS.indexOf(name.toLowerCase()) + 1)),
    1,
  )
  const days = weekday === '*' ? '' : `${weekdays(weekday, refuse)} `
  return `${days}*-${months}-${part(day, 1)} ${part(hour, 0)}:${part(minute, 0)}:00 ${timezone}`
}

function weekdays(text: string, refuse: (why: string) => UsageError): string {
  const name = (word: string) => {
    const known = /^\d+$/.test(word)
      ? DAYS[Number(word) % 7]
      : DAYS.find((day) => day.toLowerCase() === word.toLowerCase())
    if (known === undefined || Number(word) > 7) throw refuse(`"${word}" is not a day of the week`)
    return known
  }
  return text
    .split(',')
    .map((item) => item.split('-').map(name).join('..'))
    .join(',')
}
