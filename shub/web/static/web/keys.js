// Security keys and passkeys: shown where the browser has them, and what went wrong said on the page.
(function () {
  const part = document.getElementById('passkey')
  if (part && window.PublicKeyCredential) part.hidden = false

  document.addEventListener('allauth.error', function (event) {
    const trouble = document.getElementById('key-trouble')
    if (!trouble) return
    event.preventDefault()
    trouble.textContent = 'The key was not used: ' + (event.detail.exception.message || 'try again.')
    trouble.hidden = false
  })
})()
