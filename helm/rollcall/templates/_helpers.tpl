{{- define "rollcall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "rollcall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "rollcall.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rollcall.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rollcall.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rollcall.labels" -}}
{{ include "rollcall.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Pods beside the service itself: their own name, so that no Service takes them for it. */}}
{{- define "rollcall.auxiliaryLabels" -}}
app.kubernetes.io/name: {{ include "rollcall.name" .root }}-{{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "rollcall.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "rollcall.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rollcall.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.secretName" -}}
{{- default (printf "%s-tokens" (include "rollcall.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{/* A token: the one given, else the one the cluster has from the last release, else a new one. */}}
{{- define "rollcall.token" -}}
{{- $old := (lookup "v1" "Secret" .root.Release.Namespace (include "rollcall.secretName" .root)) -}}
{{- if .given -}}
{{- .given -}}
{{- else if and $old (hasKey ($old.data | default dict) .key) -}}
{{- index $old.data .key | b64dec -}}
{{- else -}}
{{- randAlphaNum 40 -}}
{{- end -}}
{{- end -}}

{{/* rollcall.yaml: what the user gave, with what the chart decides by itself merged over it. */}}
{{- define "rollcall.config" -}}
{{- $listen := list -}}
{{- if .Values.sip.udp }}{{ $listen = append $listen (printf "udp://0.0.0.0:%v" .Values.sip.port) }}{{ end -}}
{{- if .Values.sip.tcp }}{{ $listen = append $listen (printf "tcp://0.0.0.0:%v" .Values.sip.port) }}{{ end -}}
{{- if and .Values.sip.ipv6 .Values.sip.udp }}{{ $listen = append $listen (printf "udp://[::]:%v" .Values.sip.port) }}{{ end -}}
{{- if and .Values.sip.ipv6 .Values.sip.tcp }}{{ $listen = append $listen (printf "tcp://[::]:%v" .Values.sip.port) }}{{ end -}}
{{- $api := dict "listen" (printf "http://0.0.0.0:%v" .Values.api.port) "admin_token_file" (printf "/etc/rollcall/tokens/%s" .Values.auth.adminTokenKey) -}}
{{- with .Values.auth.readTokenKey }}{{ $_ := set $api "read_token_file" (printf "/etc/rollcall/tokens/%s" .) }}{{ end -}}
{{- $own := dict "sip" (dict "listen" $listen) "api" $api "store" (dict "url" "lmdb:/var/lib/rollcall") -}}
{{- if .Values.auth.nonceSecretKey -}}
{{- if not .Values.auth.existingSecret }}{{ fail "auth.nonceSecretKey is a key of auth.existingSecret, which is not set" }}{{ end -}}
{{- $_ := set $own "auth" (dict "secret_file" (printf "/etc/rollcall/tokens/%s" .Values.auth.nonceSecretKey)) -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}
