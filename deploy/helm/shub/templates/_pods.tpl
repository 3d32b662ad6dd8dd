{{/* What the pods of web, sweep and prepare have alike. */}}

{{/* The settings that are no secrets, as a YAML mapping of texts. */}}
{{- define "shub.settings" -}}
{{- $address := urlParse (required "publicUrl is required: https://registry.example.org" .Values.publicUrl) -}}
{{- if or (not (has $address.scheme (list "http" "https"))) (not (has $address.path (list "" "/"))) -}}
{{- fail (printf "publicUrl is scheme and host, without a path: %s" .Values.publicUrl) -}}
{{- end -}}
{{- range $name, $_ := .Values.settings -}}
{{- if regexMatch "(^SECRET_KEY|_SECRET|_PASSWORD|_PRIVATE_KEY|_TOKEN|_ACCESS_KEY|_SECRET_KEY|^DATABASE_URL|^CACHE_URL)$" $name -}}
{{- fail (printf "settings.%s is a secret: put it into the Secret, and its key into secret.keys" $name) -}}
{{- end -}}
{{- end -}}
{{- $server := required "store.server is required: HOST:PORT" .Values.store.server -}}
{{- $made := dict
  "PUBLIC_URL" (trimSuffix "/" .Values.publicUrl)
  "MINIO_SERVER" $server
  "MINIO_SSL" .Values.store.tls
  "MINIO_EXTERNAL_SERVER" (default $server .Values.store.externalServer)
  "MINIO_EXTERNAL_SSL" .Values.store.externalTls
  "MINIO_BUCKET" .Values.store.bucket
  "MINIO_REGION" .Values.store.region
  "WEB_WORKERS" .Values.web.workers
  "WEB_THREADS" .Values.web.threads
  "WEB_DRAIN_SECONDS" .Values.web.drainSeconds
  "WEB_STOP_SECONDS" .Values.web.stopSeconds
  "LOG_FORMAT" "json"
-}}
{{- if .Values.trustedProxies }}{{- $_ := set $made "TRUSTED_PROXIES" (join "," .Values.trustedProxies) }}{{- end -}}
{{- if .Values.store.authority.secret }}{{- $_ := set $made "MINIO_CA_FILE" "/run/secrets/store/ca.crt" }}{{- end -}}
{{- range $name, $value := merge (deepCopy .Values.settings) $made }}
{{- /* Helm reads whole numbers as such that are written 1e+12. */}}
{{ $name }}: {{ if kindIs "float64" $value }}{{ printf "%.0f" $value | quote }}{{ else }}{{ $value | toString | quote }}{{ end }}
{{- end }}
{{- end -}}

{{/* Which setting is in which key of the Secret. */}}
{{- define "shub.keys" -}}
{{- $keys := dict -}}
{{- range $setting, $key := .Values.secret.keys }}{{- if $key }}{{- $_ := set $keys $setting $key }}{{- end }}{{- end -}}
{{- if .Values.metrics.enabled }}{{- $_ := set $keys "METRICS_TOKEN" .Values.metrics.tokenKey }}{{- end -}}
{{- toYaml $keys -}}
{{- end -}}

{{- define "shub.container" -}}
image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext: {{- toYaml .Values.containerSecurityContext | nindent 2 }}
env:
  {{- range $setting, $key := include "shub.keys" . | fromYaml }}
  - name: {{ $setting }}_FILE
    value: /run/secrets/shub/{{ $key }}
  {{- end }}
{{- end -}}

{{- define "shub.mounts" -}}
- name: secrets
  mountPath: /run/secrets/shub
  readOnly: true
{{- if .Values.store.authority.secret }}
- name: authority
  mountPath: /run/secrets/store
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* A dict of the root, and of further keys of the Secret. */}}
{{- define "shub.pod" -}}
{{- $root := .root -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
volumes:
  - name: secrets
    secret:
      secretName: {{ required "secret.name is required: a Secret with the keys of secret.keys" $root.Values.secret.name }}
      defaultMode: 0440
      items:
        {{- range (concat (include "shub.keys" $root | fromYaml | values) .further | uniq | sortAlpha) }}
        - key: {{ . }}
          path: {{ . }}
        {{- end }}
  {{- with $root.Values.store.authority }}
  {{- if .secret }}
  - name: authority
    secret:
      secretName: {{ .secret }}
      defaultMode: 0440
      items:
        - key: {{ .key }}
          path: ca.crt
  {{- end }}
  {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
{{- end -}}

{{- define "shub.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
