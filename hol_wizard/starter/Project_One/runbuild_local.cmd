@echo off
rem Builds the inference container on this machine. build.py does all the work; its settings are in settings.env.
cd /d "%~dp0" || exit /b 1
set "hol_python=python"
where py >nul 2>nul && set "hol_python=py -3"
%hol_python% build.py %*
