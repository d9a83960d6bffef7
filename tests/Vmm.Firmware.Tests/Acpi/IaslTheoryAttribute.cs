namespace Vmm.Firmware.Tests.Acpi;

/// <summary>A theory that needs iasl.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class IaslTheoryAttribute : TheoryAttribute
{
    public IaslTheoryAttribute()
    {
        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        if (!path.Any(p => File.Exists(Path.Combine(p, "iasl")))) Skip = "iasl is absent (Debian package acpica-tools)";
    }
}
