@echo off
rem Tests the inference container on this machine. run_tests.py does all the work.
cd /d "%~dp0" || exit /b 1
set "hol_python=python"
where py >nul 2>nul && set "hol_python=py -3"
%hol_python% run_tests.py %*
