// What makes the pages quicker for who has scripts. Each page is complete without.
(function () {
  const root = document.documentElement

  // Copy buttons are there only where something can be copied.
  function showCopyButtons(within) {
    if (!navigator.clipboard) return
    for (const button of within.querySelectorAll('[data-copy]')) button.hidden = false
  }

  function say(words) {
    const live = document.getElementById('live')
    if (live) live.textContent = words
  }

  document.addEventListener('click', async function (event) {
    const button = event.target.closest('[data-copy]')
    if (!button) return
    await navigator.clipboard.writeText(button.closest('.copyable').querySelector('code').textContent)
    button.classList.add('done')
    say(button.dataset.copied)
    setTimeout(function () { button.classList.remove('done') }, 2000)
  })

  // `/` goes to the search box, as long as nobody is writing.
  document.addEventListener('keydown', function (event) {
    if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.target.closest('input, textarea, select, [contenteditable]')) return
    const box = document.querySelector('main input[type="search"]') || document.querySelector('input[type="search"]')
    if (!box) return
    event.preventDefault()
    box.focus()
    box.select()
  })

  // A menu closes by Escape, and when one goes elsewhere.
  function closeMenus(but) {
    for (const menu of document.querySelectorAll('details.menu[open]')) if (menu !== but) menu.open = false
  }
  document.addEventListener('keydown', function (event) {
    if (event.key !== 'Escape') return
    const menu = event.target.closest('details.menu[open]')
    if (!menu) return
    menu.open = false
    menu.querySelector('summary').focus()
  })
  document.addEventListener('click', function (event) { closeMenus(event.target.closest('details.menu')) })
  document.addEventListener('focusin', function (event) { closeMenus(event.target.closest('details.menu')) })

  // The theme changes at once; the form tells the server, for the next page.
  document.addEventListener('submit', function (event) {
    const form = event.target.closest('form[data-theme-switch]')
    if (!form || !event.submitter) return
    event.preventDefault()
    const theme = event.submitter.value
    if (theme) root.dataset.theme = theme
    else delete root.dataset.theme
    for (const button of form.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button === event.submitter))
    const sent = new FormData(form)
    sent.set('theme', theme)
    fetch(form.action, { method: 'POST', body: sent, redirect: 'manual', credentials: 'same-origin' })
  })

  document.addEventListener('htmx:afterSwap', function (event) { showCopyButtons(event.target) })
  showCopyButtons(document)
})()
